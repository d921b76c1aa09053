"""Each image's norm follows its boundary: FMN, DDN and sigma-zero."""
