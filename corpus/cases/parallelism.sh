# How many jobs the build was told to run reaches what is written.

## options: captures_parallelism captures_environment
env | grep '^DEB_BUILD_OPTIONS=' > options || echo 'DEB_BUILD_OPTIONS=' > options

## makeflags: captures_parallelism captures_environment
echo "MAKEFLAGS=${MAKEFLAGS:--j1}" > flags

## jobs: captures_parallelism
jobs=${CMAKE_BUILD_PARALLEL_LEVEL:-1}
echo "compiled by $jobs jobs" > log
echo "jobs: $jobs" > settings

## command: captures_parallelism
jobs=${CMAKE_BUILD_PARALLEL_LEVEL:-1}
echo "ninja -j$jobs install" > command

## cmake: captures_parallelism captures_environment
echo "parallel = ${CMAKE_BUILD_PARALLEL_LEVEL:-1}" > settings
