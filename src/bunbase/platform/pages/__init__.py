"""Pages of Platform for people with a browser: plain HTML, without scripts."""
