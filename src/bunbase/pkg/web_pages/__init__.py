"""Pages for people with a browser: plain HTML with a strict policy, and the forms in it. Every text is escaped."""
