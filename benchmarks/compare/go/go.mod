module ringo.example/compare

go 1.19
