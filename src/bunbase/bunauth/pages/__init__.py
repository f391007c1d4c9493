"""Pages of BunAuth for people with a browser: plain HTML, without scripts. The mails of BunAuth link to these pages."""
