"""The S3 port: an ASGI app that serves the buckets of all projects to clients of S3, with the calls of the contract.

app          one request: its signature, its operation, its answer
operations   the table of all operations of S3, and which of them are supported
call         one request whose signature was checked
payload      the bytes of a body: chunks, hashes and checksums
answer       answers, and the errors of S3
objects      PutObject, GetObject, HeadObject, DeleteObject, DeleteObjects
copying      CopyObject, UploadPartCopy
details      tags, attributes and access control lists of an object
multipart    uploads in parts
buckets      buckets, and their CORS
listing      lists of objects
cors         which pages may use presigned URLs
"""
