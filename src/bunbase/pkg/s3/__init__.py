"""The protocol of S3, for a server: signatures, bodies in signed chunks, checksums and XML. Nothing here does I/O.

errors     S3Error, and the HTTP status of each code
uri        the path and the query of a request, decoded and in canonical form
signature  Signature Version 4, in headers and in presigned URLs
chunked    bodies in the coding aws-chunked, with signatures and trailers
checksums  the checksums of objects and of parts
xml        a writer, and a parser with limits
documents  the XML bodies of requests
"""
