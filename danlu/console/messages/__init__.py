"""The texts of the console: `en.toml` and `zh.toml` for messages, `help.zh.toml` for help in Chinese."""
