// version.hpp: the line that names the program and what it was built with.
#pragma once

namespace coir {

// "coir 0.1.0  Lua 5.4.4, Boost.Context 1.81.0, epoll"
const char* about_text();

}  // namespace coir
