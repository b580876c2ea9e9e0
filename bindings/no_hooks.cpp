// no_hooks.cpp: for systems on which the C library's functions cannot be hooked, nor a thread's
// system call be named.
#include "bindings/lua_hooks.hpp"
#include "bindings/watch.hpp"

namespace coir {

void preload_hooks(lua_State*, bool) {}

Error watch_fibers(Scheduler&, std::chrono::milliseconds) { return std::errc::not_supported; }

}  // namespace coir
