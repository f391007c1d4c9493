"""The parts of `bunbase storage`: places of files, requests to the server, files of this machine, and transfers."""
