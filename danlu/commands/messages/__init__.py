"""The texts of the command line: `en.toml` and `zh.toml` for messages, `help.zh.toml` for help in Chinese."""
