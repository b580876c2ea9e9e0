--- coir.compat.tarantool: runs scripts that were written for Tarantool.
---
--- Gives `socket`, `fiber` and `errno` with Tarantool's own default: every socket is in immediate mode,
--- accepted and connected ones too. `coir -l coir.compat.tarantool script.lua` also answers to the short
--- names and sets the global `box` with the names of Tarantool 1.6.
local errno = require 'coir.errno'
local fiber = require 'coir.fiber'
local native = require 'coir.luasocket' -- Tarantool's module has some of LuaSocket's functions, too

--- @return any s what was given: a socket in immediate mode, or a failure
local function immediate(s, ...)
  if s then s:nonblock(true) end
  return s, ...
end

local socket = {}
for name, value in pairs(native) do socket[name] = value end

--- A socket in immediate mode; arguments and results as those of the native function.
setmetatable(socket, {
  __call = function(_, ...) return immediate(native(...)) end,
})

function socket.from_fd(...) return immediate(native.from_fd(...)) end

function socket.socketpair(...)
  local left, right, code = native.socketpair(...)
  if left == nil then return nil, right, code end
  return immediate(left), immediate(right)
end

function socket.tcp_connect(...) return immediate(native.tcp_connect(...)) end

--- @return function the same for a socket in immediate mode
local function with_immediate(f)
  return function(s, ...) return f(immediate(s), ...) end
end

--- @return any options those of a server whose sockets are in immediate mode
local function immediate_options(options)
  if type(options) == 'function' then return with_immediate(options) end
  if type(options) ~= 'table' then return options end
  local copy = {}
  for name, value in pairs(options) do
    copy[name] = type(value) == 'function' and with_immediate(value) or value
  end
  return copy
end

function socket.tcp_server(host, port, options, timeout)
  return immediate(native.tcp_server(host, port, immediate_options(options), timeout))
end

function socket.tcp_server_create(host, port, options, timeout)
  return immediate(native.tcp_server_create(host, port, immediate_options(options), timeout))
end

function socket.udp_server(host, port, options, timeout)
  return immediate(native.udp_server(host, port, options, timeout))
end

function socket.tcp_server_loop(s, options)
  return native.tcp_server_loop(s, immediate_options(options))
end

local tarantool = { socket = socket, fiber = fiber, errno = errno }
tarantool.box = { socket = socket, fiber = fiber, errno = errno }

--- Makes scripts find these modules under their short names, and `box` as a global.
function tarantool.install()
  package.loaded.socket = socket
  package.loaded.fiber = fiber
  package.loaded.errno = errno
  box = tarantool.box
end

return tarantool
