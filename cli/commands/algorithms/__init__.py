"""`headrace algorithms`: the catalogue, as the files say it and as it is resolved."""
