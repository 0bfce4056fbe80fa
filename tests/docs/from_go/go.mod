module ringo.example/from_go

go 1.25
