module drivers

go 1.26.0

require calloutsim v0.0.0

replace calloutsim => ../../..
