"""Pictures in shards, `.tar` and `.parquet` files of many: read one by one, written as files or as shards again."""

from fast_style.inference.shards.plan import Shard, are_shards, is_tar, plan_shards
from fast_style.inference.shards.run import stylize_shard

__all__ = ["Shard", "are_shards", "is_tar", "plan_shards", "stylize_shard"]
