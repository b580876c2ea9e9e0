#include "bindings/version.hpp"

#include <boost/version.hpp>
#include <lua.hpp>

#include <cstdio>

namespace coir {

const char* about_text() {
    static char text[160];
    std::snprintf(text, sizeof text, "coir %s  %s, Boost.Context %d.%d.%d, %s", COIR_VERSION,
                  LUA_RELEASE, BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000,
                  BOOST_VERSION % 100, COIR_POLLER);
    return text;
}

}  // namespace coir
