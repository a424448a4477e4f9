module dual

go 1.21
