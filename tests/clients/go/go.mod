module sluice.test/clients/go

go 1.26

require github.com/tmaxmax/go-sse v0.11.0
