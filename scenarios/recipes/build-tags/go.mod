module tags

go 1.21
