"""What people look at: pages and pictures of data, runs, mistakes and attention."""
