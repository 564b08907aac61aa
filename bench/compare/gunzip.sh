#!/bin/sh
# The slowest codec of an image, by itself.
# usage: gunzip.sh PLATTER LAYER OUT
exec gzip -dc "$2" > "$3"
