//! Server-side apply in stages, inventory, pruning and health
