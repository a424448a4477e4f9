"""What was seen. The model that every source writes and everything else reads; imports nothing else of gotrace."""
