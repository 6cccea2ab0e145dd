"""Many images into one Parquet file: any source, any number of processes, continued where it was stopped.

inputs → sources: items → loading: images → batches → rows → parts, each written whole → joined into one file
"""
