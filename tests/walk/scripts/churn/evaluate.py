import json
import os
import pickle
import tarfile

import pandas as pd
import xgboost as xgb
from sklearn.metrics import accuracy_score, roc_auc_score

with tarfile.open("/opt/ml/processing/model/model.tar.gz") as tar:
    tar.extractall(path="/opt/ml/processing/model")
model = pickle.load(open("/opt/ml/processing/model/xgboost-model", "rb"))
df = pd.read_csv("/opt/ml/processing/test/test.csv", header=None)
scores = model.predict(xgb.DMatrix(df.iloc[:, 1:].values))
report = {
    "binary_classification_metrics": {
        "accuracy": {"value": accuracy_score(df[0], scores > 0.5), "standard_deviation": "NaN"},
        "auc": {"value": roc_auc_score(df[0], scores)},
    }
}
os.makedirs("/opt/ml/processing/evaluation", exist_ok=True)
json.dump(report, open("/opt/ml/processing/evaluation/evaluation.json", "w"))
