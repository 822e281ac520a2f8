"""What an evaluation leaves behind: a table on the terminal, and a folder of JSON, CSV and one page."""
