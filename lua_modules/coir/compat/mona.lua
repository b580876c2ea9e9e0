--- coir.compat.mona: MonaServer's sockets, for scripts of its server applications.
---
--- The module is the object `mona` itself. `coir -l coir.compat.mona script.lua` sets it, and the
--- loggers, as globals. Handlers run in fibers and may wait. What differs from MonaServer is in
--- doc/compat/mona.md.
local address = require 'coir.compat.mona.address'
local base = require 'coir.compat.base'
local fiber = require 'coir.fiber'
local lua51 = require 'coir.compat.lua51'
local object = require 'coir.compat.mona.object'
local tcp = require 'coir.compat.mona.tcp'
local udp = require 'coir.compat.mona.udp'

local mona = {
  --- 'rest': onData returns how many bytes are left over; 'consumed': how many it has used up.
  onDataReturns = 'rest',
  --- Whether scripts see addresses as objects instead of strings.
  addressObjects = false,
  --- Seconds that the peer has to end its side after `disconnect`.
  lingerTime = 60,
  --- Bytes that onData may leave over before the connection is ended.
  maxPending = 16 << 20,
  configs = {},
  --- `level` and `sink` of the loggers.
  log = base.log,
}
base.export_loggers(mona)

--- A whole number from 0 to n, or nothing.
local function bounded(result, n)
  if type(result) ~= 'number' or result ~= result then return nil end
  return math.max(0, math.min(n, result)) // 1 | 0
end

local dialect = {
  data = 'onData', connection = 'onConnection', again = true, settings = mona,
  rest = function(result, n)
    if mona.onDataReturns == 'consumed' then return n - (bounded(result, n) or n) end
    return bounded(result, n) or 0
  end,
  address = function(text) return mona.addressObjects and address.from_text(text) or text end,
}

-- -- TCP client -----------------------------------------------------------------------------------

local client_methods = {}

--- Starts to connect, to a host and a port or to `"host:port"`. Waits only while a name is looked
--- up. An earlier connection is dropped without an event.
--- @return boolean started
--- @return string? message
function client_methods:connect(host, port)
  local state = object.state(self)
  if state.link then state.link:drop() end
  state.link = nil
  local started, message = tcp.connect(state, address.plain(host, port))
  if started then return true end
  state.error = message
  base.log.ERROR('Unable to connect to ', host, port and ':' or '', port or '', ', ', message)
  return false, message
end

--- Ends the sending side once all is sent. The event comes when the peer has ended its side, too.
function client_methods:disconnect()
  local state = object.state(self)
  if state.link then state.link:finish() end
end

--- Sends, or queues what the kernel does not take. Never waits.
--- @param data string
--- @return string? message nothing when it is sent or queued
function client_methods:send(data)
  local state = object.state(self)
  data = tcp.bytes(data)
  if not state.link then return 'not connected' end
  return state.link:send(data)
end

local client_properties = {
  --- Milliseconds since bytes were last sent or received; 0 when not connected.
  idleTime = function(state)
    return state.link and (fiber.clock() - state.link.last) * 1000 // 1 | 0 or 0
  end,
}
for name, property in pairs(tcp.client_properties) do client_properties[name] = property end

local make_client = object.class('TCPClient', client_methods, client_properties)

--- @return table client not connected; its events are `onData(data)` and
---   `onDisconnection(peerAddress, error)`
function mona:createTCPClient() return tcp.new_client(dialect, make_client) end

-- -- TCP server -----------------------------------------------------------------------------------

local server_methods = {}

--- Listens: `start(1234)`, `start("1234")`, `start("127.0.0.1", 1234)`, `start("127.0.0.1:1234")`,
--- `start(address)`.
--- @return boolean running false, with an ERROR log, when it cannot
function server_methods:start(where, port)
  local state = object.state(self)
  local host, number = base.parse(address.plain(where, port))
  local ok, message = host ~= nil, number
  if host then
    local wanted = base.format(host, number)
    local same = state.wanted == wanted or tcp.listening(state) == wanted
    if state.listener and same then return true end
    tcp.stop(state)
    state.wanted = wanted
    ok, message = tcp.listen(state, host, number)
  end
  if not ok then base.log.ERROR('Unable to start the TCPServer, ', message) end
  return ok
end

--- Closes the listener; the clients live on.
function server_methods:stop() tcp.stop(object.state(self)) end

local make_server = object.class('TCPServer', server_methods, {
  running = function(state) return state.listener ~= nil end,
  address = function(state) return dialect.address(tcp.listening(state) or '0.0.0.0:0') end,
})

--- @return table server not running; its event is `onConnection(client)`
function mona:createTCPServer() return tcp.new_server(dialect, make_client, make_server) end

-- -- UDP ------------------------------------------------------------------------------------------

local udp_methods = {}

--- @return string? message nothing when it is bound
function udp_methods:bind(where, port)
  local state = object.state(self)
  if state.peer then return 'Impossible to bind a connected UDPSocket' end
  local host, number = base.parse(address.plain(where, port))
  if not host then return number end
  return udp.bind(state, host, number)
end

--- @return string? message nothing when it is connected
function udp_methods:connect(where, port)
  local state = object.state(self)
  local host, number = base.parse(address.plain(where, port))
  if not host then return number end
  return udp.connect(state, host, number)
end

--- Back to an unconnected socket, bound as it was.
function udp_methods:disconnect()
  local state = object.state(self)
  if not state.peer then return end
  local host, port
  if state.bound then host, port = base.parse(state.bound) end
  udp.close(state)
  if host then return udp.bind(state, host, port) end
end

--- @param data string nothing is sent when it is empty
--- @return string? message nothing when it is sent
function udp_methods:send(data, where, port)
  local state = object.state(self)
  data = tcp.bytes(data)
  if where == nil and not state.peer then
    return 'Sending without recipient on a UDPSocket not connected'
  end
  local host, number
  if where ~= nil then
    host, number = base.parse(address.plain(where, port))
    if not host then return number end
  end
  if data ~= '' then return udp.send(state, data, host, number) end
end

function udp_methods:close() udp.close(object.state(self)) end

local udp_properties = {}
for name, property in pairs(udp.properties) do
  udp_properties[name] = function(state)
    local text = property(state)
    return text and dialect.address(text)
  end
end

local make_udp = object.class('UDPSocket', udp_methods, udp_properties)

--- @param allowBroadcast? boolean
--- @return table socket its event is `onPacket(data, address)`
function mona:createUDPSocket(allowBroadcast)
  return udp.new('onPacket', make_udp, allowBroadcast)
end

-- -- Addresses and the rest -----------------------------------------------------------------------

--- @param text string a numeric address with its port, or with the port as second argument
--- @return table? address
--- @return string? message
function mona:createSocketAddress(text, port)
  local host, number = base.parse(address.plain(text, port))
  if not host then return nil, number end
  if not address.is_numeric(host) then return nil, host .. ' is no IP address' end
  return address.socket(host, number)
end

--- The same for names. Waits for the resolver.
function mona:createSocketAddressWithDNS(text, port)
  local host, number = base.parse(address.plain(text, port))
  if not host then return nil, number end
  local ip, message = base.resolve(host)
  if not ip then return nil, message end
  return address.socket(ip, number)
end

--- @return table? address
--- @return string? message
function mona:createIPAddress(text)
  if not address.is_numeric(tostring(text)) then
    return nil, base.show(text) .. ' is no IP address'
  end
  return address.ip(text)
end

--- The same for names. Waits for the resolver.
function mona:createIPAddressWithDNS(name)
  local ip, message = base.resolve(name)
  if not ip then return nil, message end
  return address.ip(ip)
end

--- Milliseconds since 1970.
function mona:time() return fiber.time() * 1000 // 1 | 0 end

--- Sets the global `mona` and the loggers, and what Lua 5.1 had.
--- @param env? table instead of `_G`
function mona.install(env)
  env = env or _G
  env.mona = mona
  base.export_loggers(env)
  lua51.install(env)
end

return mona
