"""Suites and clients of others for the S3 port.

target    the servers under test: BunBase, and versitygw for comparison
ceph      ceph/s3-tests
clients   journeys with boto3, obstore, the AWS SDK for JavaScript, aws-cli, rclone and s3cmd
"""
