"""Variants of images: other sizes and formats of a stored image. No image is ever decoded in the server process.

sizes     the steps of sizes and qualities, and the name of a variant
recipe    makes a variant with libvips; runs only in a confined process
fences    confines a process: no files, no sockets, no other processes
template  a process without an image, which forks one process for each image
forks     the server's side of the template
makers    the turns of projects, the queue, and the deadline of one image
"""
