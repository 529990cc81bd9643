SELECT 1; -- the number is another part's
