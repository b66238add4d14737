"""Splits the shells into train, validation and test, the age first, without a header."""

import argparse
import logging
import os
import pathlib

import boto3
import numpy as np
import pandas as pd
import requests  # noqa: F401 - what the image has
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

logger = logging.getLogger()
logger.setLevel(logging.INFO)
logger.addHandler(logging.StreamHandler())

NAMES = ["sex", "length", "height", "weight"]

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--input-data", type=str, required=True)
    args = parser.parse_args()
    base_dir = "/opt/ml/processing"
    pathlib.Path(f"{base_dir}/data").mkdir(parents=True, exist_ok=True)
    bucket, key = args.input_data.split("/")[2], "/".join(args.input_data.split("/")[3:])
    fn = f"{base_dir}/data/shells.csv"
    boto3.resource("s3").Bucket(bucket).download_file(key, fn)
    df = pd.read_csv(fn, header=None, names=[*NAMES, "rings"])
    os.unlink(fn)
    y = df.pop("rings")
    numeric = Pipeline([("imputer", SimpleImputer(strategy="median")), ("scaler", StandardScaler())])
    sexes = Pipeline([("imputer", SimpleImputer(strategy="constant", fill_value="missing")), ("hot", OneHotEncoder())])
    pre = ColumnTransformer([("num", numeric, NAMES[1:]), ("cat", sexes, ["sex"])])
    X = np.concatenate((y.to_numpy().reshape(len(y), 1), pre.fit_transform(df)), axis=1)
    np.random.seed(1)
    np.random.shuffle(X)
    train, validation, test = np.split(X, [int(0.7 * len(X)), int(0.85 * len(X))])
    for name, part in (("train", train), ("validation", validation), ("test", test)):
        pathlib.Path(f"{base_dir}/{name}").mkdir(parents=True, exist_ok=True)
        pd.DataFrame(part).to_csv(f"{base_dir}/{name}/{name}.csv", header=False, index=False)
    logger.info("split %d rows", len(X))
