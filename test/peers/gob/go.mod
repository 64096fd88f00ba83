module gobpeer

go 1.21
