"""What the usual Lambda does with each upload, in a loop over an SQS queue: list
the job files, read each, ask for the endpoint, make a client for it, create the
job. The environment says where AWS is."""

import json
import os
import sys
import urllib.parse

import boto3

queue, destination, role = sys.argv[1:4]
sqs = boto3.client("sqs")
s3 = boto3.resource("s3")

while True:
    answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=20)
    for message in answer.get("Messages", []):
        for record in json.loads(message["Body"])["Records"]:
            bucket = record["s3"]["bucket"]["name"]
            key = urllib.parse.unquote_plus(record["s3"]["object"]["key"])
            name = os.path.splitext(os.path.basename(key))[0]
            for summary in s3.Bucket(bucket).objects.filter(Prefix="jobs/"):
                if not summary.key.endswith(".json"):
                    continue
                settings = json.loads(s3.Object(bucket, summary.key).get()["Body"].read())
                settings["Inputs"][0]["FileInput"] = f"s3://{bucket}/{key}"
                folder = os.path.splitext(os.path.basename(summary.key))[0]
                for group in settings["OutputGroups"]:
                    options = group["OutputGroupSettings"]["HlsGroupSettings"]
                    options["Destination"] = f"s3://{destination}/{name}/{folder}/"
                endpoint = boto3.client("mediaconvert").describe_endpoints()["Endpoints"][0]["Url"]
                client = boto3.client("mediaconvert", endpoint_url=endpoint)
                client.create_job(Role=role, Settings=settings, UserMetadata={"assetID": name})
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
