"""Pages for people with a browser: plain HTML, without scripts, and the forms on them."""
