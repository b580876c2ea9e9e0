--- coir.compat.cumulus: CumulusServer's sockets and mails, for scripts of its server applications.
---
--- The module is the object `cumulus` itself. `coir -l coir.compat.cumulus script.lua` sets it, and
--- the loggers, as globals. Handlers run in fibers and may wait. What differs from CumulusServer is
--- in doc/compat/cumulus.md.
local base = require 'coir.compat.base'
local lua51 = require 'coir.compat.lua51'
local mail = require 'coir.compat.cumulus.mail'
local object = require 'coir.compat.mona.object'
local tcp = require 'coir.compat.mona.tcp'
local udp = require 'coir.compat.mona.udp'

local cumulus = {
  --- Seconds in which what was sent before `disconnect` is delivered.
  lingerTime = 60,
  --- Bytes that onReception may leave over before the connection is ended.
  maxPending = 16 << 20,
  --- The configuration; see `loadConfigs`. `smtp` is looked at when a mail goes out.
  configs = { smtp = { host = 'localhost', port = 25, timeout = 60 } },
  --- `level` and `sink` of the loggers.
  log = base.log,
}
base.export_loggers(cumulus)

local dialect = {
  data = 'onReception', connection = 'clientHandler', again = false, settings = cumulus,
  rest = function(result, n)
    if type(result) ~= 'number' or result ~= result then return 0 end
    if result > n then
      base.log.WARN('TCPClient: onReception returned ', result, ', more than the ', n,
        ' bytes it got')
    end
    return math.max(0, math.min(n, result)) // 1 | 0
  end,
  address = function(text) return text end,
}

-- -- TCP client -----------------------------------------------------------------------------------

local client_methods = {}

--- Starts to connect. Waits only while a name is looked up. An earlier connection is disconnected
--- first.
--- @return string? message nothing when it has started
function client_methods:connect(host, port)
  local state = object.state(self)
  client_methods.disconnect(self)
  local started, message = tcp.connect(state, host, port or '')
  if started then return end
  state.error = message
  return message
end

--- Ends the connection. The event is over when this returns; what was sent is still delivered.
function client_methods:disconnect()
  local state = object.state(self)
  local link = state.link
  if not link then return end
  link.silent = true
  link:finish()
  tcp.ended(state, link)
end

--- Sends, or queues what the kernel does not take. Never waits. Not connected, it only logs an
--- ERROR.
--- @param data string
function client_methods:send(data)
  local state = object.state(self)
  data = tcp.bytes(data)
  if not state.link then return base.log.ERROR 'TCPClient not connected' end
  local message = state.link:send(data)
  if message then base.log.ERROR('TCPClient: ', message) end
end

local make_client = object.class('TCPClient', client_methods, tcp.client_properties)

--- @return table client not connected; its events are `onReception(data)` and `onDisconnection()`
function cumulus:createTCPClient() return tcp.new_client(dialect, make_client) end

-- -- TCP server -----------------------------------------------------------------------------------

local server_methods = {}

--- Listens on all interfaces; stops first if it is running.
--- @param port integer superior to 0
--- @return boolean running false, with an ERROR log, when it cannot
function server_methods:start(port)
  local state = object.state(self)
  tcp.stop(state)
  local number = math.tointeger(tonumber(port)) or 0
  local ok, message
  if number > 0 then
    state.port = number
    ok, message = tcp.listen(state, '0.0.0.0', number)
  end
  if not ok then base.log.ERROR(message or 'TCPServer port have to be superior to 0') end
  return ok or false
end

--- Closes the listener; the clients live on.
function server_methods:stop() tcp.stop(object.state(self)) end

local make_server = object.class('TCPServer', server_methods, {
  running = function(state) return state.listener ~= nil end,
  port = function(state) return state.port or 0 end,
})

--- @return table server not running; its event is `clientHandler(client)`
function cumulus:createTCPServer() return tcp.new_server(dialect, make_client, make_server) end

-- -- UDP ------------------------------------------------------------------------------------------

local udp_methods = {}

local function parse(address)
  local host, port = base.parse(address)
  if not host then
    return nil, ('Understandable address %s (%s)'):format(base.show(address), port)
  end
  return host, port
end

--- @param address string `host:port`
--- @return string? message nothing when it is bound
function udp_methods:bind(address)
  local state = object.state(self)
  if state.peer then return 'Impossible to bind a connected UDPSocket, close the socket before' end
  local host, port = parse(address)
  if not host then return port end
  return udp.bind(state, host, port)
end

--- @param address string `host:port`
--- @return string? message nothing when it is connected, and when it is bound, which is logged as
---   an ERROR
function udp_methods:connect(address)
  local state = object.state(self)
  if state.bound then
    return base.log.ERROR 'Impossible to connect a bound UDPSocket, close the socket before'
  end
  local host, port = parse(address)
  if not host then return port end
  return udp.connect(state, host, port)
end

--- @param data string nothing is sent when it is empty
--- @param address? string `host:port`; the peer without it
--- @return string? message nothing when it is sent
function udp_methods:send(data, address)
  local state = object.state(self)
  data = tcp.bytes(data)
  if address == nil and not state.peer then
    return base.log.ERROR 'Sending without recipient on a UDPSocket not connected'
  end
  local host, port
  if address ~= nil then
    host, port = parse(address)
    if not host then return port end
  end
  if data ~= '' then return udp.send(state, data, host, port) end
end

function udp_methods:close() udp.close(object.state(self)) end

local make_udp = object.class('UDPSocket', udp_methods, udp.properties)

--- @param allowBroadcast? boolean
--- @return table socket its event is `onReception(data, address)`
function cumulus:createUDPSocket(allowBroadcast)
  return udp.new('onReception', make_udp, allowBroadcast)
end

-- -- Mail and configuration -----------------------------------------------------------------------

--- Queues a mail, which goes out by the server of `configs.smtp`. Also as `cumulus.sendMail(sender,
--- ...)`.
--- @param sender string
--- @param subject string
--- @param content string
--- @param ... string recipients
--- @return table mail its event `onSent(error)` comes once; `error` is nil when all recipients were
---   accepted
function cumulus.sendMail(...)
  if (...) == cumulus then return mail.send(cumulus, select(2, ...)) end
  return mail.send(cumulus, ...)
end

--- Reads a file like CumulusServer.ini into `configs`, section by section, with Penlight's
--- `pl.config`.
--- @param path string
--- @return boolean ok
--- @return string? message
function cumulus.loadConfigs(path)
  local file <close>, problem = io.open(path)
  if not file then return false, problem end
  local ok, sections = pcall(require('pl.config').read, file,
    { variabilize = false, list_delim = false })
  if not ok then return false, ('%s: %s'):format(path, sections) end
  for name, value in pairs(sections) do
    local old = cumulus.configs[name]
    if type(value) == 'table' and type(old) == 'table' then
      for key, item in pairs(value) do old[key] = item end
    else
      cumulus.configs[name] = value
    end
  end
  return true
end

--- Sets the global `cumulus` and the loggers, and what Lua 5.1 had.
--- @param env? table instead of `_G`
function cumulus.install(env)
  env = env or _G
  env.cumulus = cumulus
  base.export_loggers(env)
  lua51.install(env)
end

return cumulus
