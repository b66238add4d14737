import argparse
import glob
import os

import pandas as pd
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--train-test-split-ratio", type=float, default=0.3)
args, _ = parser.parse_known_args()
print("Received arguments", args)
data = pd.concat([pd.read_csv(f) for f in glob.glob("/opt/ml/processing/input/*.csv")])
data = pd.get_dummies(data.drop_duplicates(), columns=["plan"], dtype=float)
data.insert(0, "churned", data.pop("churned"))
train, test = train_test_split(data, test_size=args.train_test_split_ratio, random_state=0)
for name, part in (("train", train), ("test", test)):
    os.makedirs(f"/opt/ml/processing/{name}", exist_ok=True)
    part.to_csv(f"/opt/ml/processing/{name}/{name}.csv", header=False, index=False)
