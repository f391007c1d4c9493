"""How objects are served, as pure functions: types of content, ranges, conditions, headers.

media_types  which types exist, what the first bytes show, and which types a browser may show
conditions   If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since (RFC 9110 §13)
ranges       Range and If-Range (RFC 9110 §14)
headers      the headers of a download
"""
