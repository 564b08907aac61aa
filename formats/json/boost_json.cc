// All of Boost.JSON, in one translation unit.
#include <boost/json/src.hpp>
