"""The command line: one module for each group of commands, with the options beside the actions."""
