--- coir.compat.base: what the modules for other systems' scripts share. Internal; scripts use those modules.
---
--- * Events: `fire(object, event, ...)` runs the handler `object[event]`, one at a time for each object and in
---   the order of the calls; `in_turn(object, f, ...)` does so with a function; `call(f, ...)` runs one at once,
---   `spawn(name, f, ...)` in a fiber. In all of them an error is logged.
--- * Life: `keep(object)`, `release(object)`: until released it is not collected.
--- * Loggers: `log.ERROR(...)` and the like; `log.level`, `log.sink(level, name, text)`; `export_loggers(env)`.
--- * Addresses: `parse`, `format`; `resolve`, `connect`, `listen`, which wait in the calling fiber only.
---
--- Failures are `nil, message, code`, as everywhere in coir.
local errno = require 'coir.errno'
local fiber = require 'coir.fiber'
local socket = require 'coir.socket'

local base = {}

-- -- Loggers ----------------------------------------------------------------------------------------

local levels = { 'FATAL', 'CRITIC', 'ERROR', 'WARN', 'NOTE', 'INFO', 'DEBUG', 'TRACE' }

--- Text for people: `(null)`, `(true)`, whole floats without `.0`, other things as `type_address`. Never raises.
--- @param value any
--- @return string
function base.show(value)
  local kind = type(value)
  if kind == 'string' then return value end
  if kind == 'number' then return tostring(math.tointeger(value) or value) end
  if kind == 'nil' then return '(null)' end
  if kind == 'boolean' then return ('(%s)'):format(value) end
  local meta = getmetatable(value)
  if type(meta) == 'table' and rawget(meta, '__tostring') then
    local ok, text = pcall(tostring, value)
    if ok then return text end
  end
  return ('%s_%p'):format(kind, value)
end

--- `level` is the number of the last level that is shown; `sink` gets what is shown, and may be replaced.
base.log = {
  level = 6,
  sink = function(_, name, text) io.stderr:write(name, ' ', text, '\n') end,
}

for level, name in ipairs(levels) do
  --- Concatenates its arguments without a separator. Returns nothing and never raises.
  base.log[name] = function(...)
    if level > base.log.level then return end
    local parts = table.pack(...)
    for i = 1, parts.n do parts[i] = base.show(parts[i]) end
    pcall(base.log.sink, level, name, table.concat(parts))
  end
end

--- Puts the loggers into a table: a module, or the globals of a script.
--- @param env table
--- @return table env
function base.export_loggers(env)
  for _, name in ipairs(levels) do env[name] = base.log[name] end
  return env
end

-- -- Events -----------------------------------------------------------------------------------------

local function describe(problem)
  return fiber.is_cancelled(problem) and problem or debug.traceback(base.show(problem), 2)
end

--- The results of a handler that has ended. One that failed is logged and has none; cancellation goes on.
local function outcome(ok, ...)
  if ok then return ... end
  local problem = ...
  if fiber.is_cancelled(problem) then error(problem, 0) end
  base.log.ERROR(problem)
end

--- Runs a handler at once. An error in it is logged with a traceback, and then it has returned nothing.
--- Only the cancellation of the running fiber is raised.
--- @param handler function or anything that can be called
--- @return any ... what it returns
function base.call(handler, ...)
  return outcome(xpcall(handler, describe, ...))
end

local turns = setmetatable({}, { __mode = 'k' }) -- object -> {mutex =, owner = fiber}

local function end_turn(turn, ...)
  turn.owner = nil
  turn.mutex:unlock()
  return outcome(...)
end

--- Runs a function, as `call` does, after what was given to the same object before it has ended. A fiber that
--- is inside such a function need not wait for itself: what it gives runs at once.
--- @param object table
--- @param f function
--- @return any ... what the function returns; nothing when it failed
function base.in_turn(object, f, ...)
  local turn = turns[object]
  if not turn then
    turn = { mutex = fiber.mutex() }
    turns[object] = turn
  end
  local me = fiber.self()
  if turn.owner == me then return base.call(f, ...) end
  turn.mutex:lock()
  turn.owner = me
  return end_turn(turn, xpcall(f, describe, ...))
end

local function handle(object, event, ...)
  local handler = rawget(object, event)
  if handler ~= nil then return handler(...) end
end

--- Runs the handler that the object has for an event, if any, after those of this object that were fired
--- before it have ended. It is looked up when its turn has come, and not in the metatable.
--- @param object table
--- @param event string the handler's field
--- @return any ... what the handler returns; nothing without one, or when it failed (see `call`)
function base.fire(object, event, ...)
  return base.in_turn(object, handle, object, event, ...)
end

--- Starts a fiber for the runtime's own work. What it runs belongs to no script: errors are logged.
--- @param name string the fiber's name, for `fiber.info`
--- @param f function
--- @return any? f the fiber
--- @return string? message
--- @return integer? code
function base.spawn(name, f, ...)
  local started, message, code = fiber.new(base.call, f, ...)
  if not started then return nil, message, code end
  started:name(name)
  return started
end

-- -- Life -------------------------------------------------------------------------------------------

--- The set of the objects that are kept.
base.kept = {}

--- Keeps an object from being collected until it is released.
--- @return any object
function base.keep(object)
  base.kept[object] = true
  return object
end

function base.release(object) base.kept[object] = nil end

-- -- Addresses --------------------------------------------------------------------------------------

local function to_port(value)
  local port = math.tointeger(tonumber(value))
  return port and port >= 0 and port <= 65535 and port or nil
end

local function unbracket(host) return host:match('^%[(.*)%]$') or host end

--- Takes an address apart: `parse('host:1234')`, `parse('[::1]:1234')`, `parse('host', 1234)`. A port alone, a
--- number or its text, is that port on all interfaces.
--- @param address string|number
--- @param port? string|number
--- @return string? host a name or a numeric address, without brackets
--- @return integer|string port or message
--- @return integer? code
function base.parse(address, port)
  local host, from = address, port
  if port == nil then
    if tonumber(address) then
      host, from = '0.0.0.0', address
    elseif type(address) == 'string' then
      host, from = address:match('^(%[.*%]):([^:]*)$')
      if not host then host, from = address:match('^([^:]*):([^:]*)$') end
    end
  end
  if type(host) ~= 'string' or host == '' then
    return nil, ('no host and port in %s'):format(base.show(address)), errno.EINVAL
  end
  local number = to_port(from)
  if not number then
    return nil, ('%s is no port'):format(base.show(from)), errno.EINVAL
  end
  return unbracket(host), number
end

--- @param host string
--- @param port number
--- @return string text `ip:port`, `[ip]:port` for IPv6
function base.format(host, port)
  return (host:find(':', 1, true) and '[%s]:%d' or '%s:%d'):format(host, math.tointeger(port))
end

--- The numeric address of a name, IPv4 if it has one. Waits for the resolver; a cancellation point then.
--- @param host string
--- @param timeout? number seconds
--- @return string? ip
--- @return string? message
--- @return integer? code
function base.resolve(host, timeout)
  if host:find(':', 1, true) or host:find('^[%d.]+$') then return host end
  if host == 'localhost' then return '127.0.0.1' end
  if not socket.getaddrinfo then return nil, host .. ': names are not resolved', errno.EINVAL end
  local found, message, code = socket.getaddrinfo(host, 0, timeout, { type = 'SOCK_STREAM' })
  if not found then return nil, message, code end
  for _, address in ipairs(found) do
    if address.family == 'AF_INET' then return address.host end
  end
  return found[1].host
end

--- A new TCP socket for addresses like this one, in waiting mode.
--- @param ip string
--- @return any? s
--- @return string? message
--- @return integer? code
function base.tcp(ip)
  return socket(ip:find(':', 1, true) and 'AF_INET6' or 'AF_INET', 'SOCK_STREAM', 'tcp')
end

--- A connected socket, in waiting mode. Waits until the connection stands; a cancellation point.
--- @param host string a name or a numeric address
--- @param port integer
--- @param timeout? number seconds
--- @return any? s
--- @return string? message
--- @return integer? code
function base.connect(host, port, timeout)
  if socket.tcp_connect then return socket.tcp_connect(host, port, timeout) end
  local ip, problem, number = base.resolve(host, timeout)
  if not ip then return nil, problem, number end
  local s, message, code = base.tcp(ip)
  if not s then return nil, message, code end
  local ok, connected, why, number_of_it = pcall(s.sysconnect, s, ip, port, timeout)
  if ok and connected then return s end
  s:close()
  if not ok then error(connected, 0) end -- cancelled
  return nil, why, number_of_it
end

--- A listening socket, with SO_REUSEADDR, in waiting mode. Waits only to resolve a name.
--- @param host string
--- @param port integer 0: any that is free
--- @param backlog? integer
--- @return any? s
--- @return string? message
--- @return integer? code
function base.listen(host, port, backlog)
  local ip, problem, number = base.resolve(host)
  if not ip then return nil, problem, number end
  local s, message, code = base.tcp(ip)
  if not s then return nil, message, code end
  s:setsockopt('SOL_SOCKET', 'SO_REUSEADDR', true)
  local ok
  ok, message, code = s:bind(ip, port)
  if ok then ok, message, code = s:listen(backlog) end
  if ok then return s end
  s:close()
  return nil, message, code
end

return base
