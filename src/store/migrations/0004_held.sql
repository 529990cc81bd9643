-- Nothing: the number is held for another change.
SELECT 1;
