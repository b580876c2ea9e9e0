--- coir.compat.mona.tcp: what the TCP clients and servers of MonaServer and CumulusServer have in
--- common.
---
--- A `dialect` says how they differ: `data`, `connection`: names of the events; `rest(result, n)`:
--- how many bytes a handler has left over of n; `again`: whether the rest is offered again at once;
--- `address(text)`: what a script sees of an address; `settings`: the table with `maxPending` and
--- `lingerTime`.
local base = require 'coir.compat.base'
local errno = require 'coir.errno'
local fiber = require 'coir.fiber'
local link = require 'coir.compat.mona.link'
local object = require 'coir.compat.mona.object'

local tcp = {}

-- -- Client ---------------------------------------------------------------------------------------

--- The state of a client: `link`, while it is connected, and `error`.
local function new_state(dialect)
  local state = { dialect = dialect }
  state.owner = {
    patience = function() return dialect.settings.lingerTime end,
    received = function(one, data) tcp.received(state, one, data) end,
    ended = function(one, message) tcp.ended(state, one, message) end,
  }
  return state
end

--- @param dialect table
--- @param make fun(state: table): table
--- @return table client
function tcp.new_client(dialect, make)
  local state = new_state(dialect)
  state.client = make(state)
  return state.client
end

--- Puts data in front of the handler until it is satisfied.
function tcp.received(state, one, data)
  local dialect, client = state.dialect, state.client
  data = one.pending .. data
  repeat
    local n = #data
    local rest = 0
    if rawget(client, dialect.data) ~= nil then
      rest = dialect.rest(base.fire(client, dialect.data, client, data), n)
    end
    data = rest == 0 and '' or data:sub(n - rest + 1)
  until rest == 0 or rest == n or not dialect.again or one.silent
  one.pending = data
  if #data > dialect.settings.maxPending then
    one.problem = ('%d bytes are left over, more than maxPending'):format(#data)
  end
end

function tcp.ended(state, one, message)
  if state.link == one then state.link, state.error = nil, message end
  base.fire(state.client, 'onDisconnection', state.client, state.dialect.address(one.peer), message)
end

--- Starts to connect. Waits only for the resolver.
--- @return boolean started
--- @return string? message
function tcp.connect(state, host, port)
  local name, number, problem = base.parse(host, port)
  if not name then return false, problem and number end
  local ip, message = base.resolve(name)
  if not ip then return false, message end
  local s
  s, message = base.tcp(ip)
  if not s then return false, message end
  s:nonblock(true)
  s:setsockopt('tcp', 'TCP_NODELAY', true)
  local ok, _, code = s:sysconnect(ip, number)
  if not ok and code ~= errno.EINPROGRESS then
    s:close()
    return false, errno.strerror(code)
  end
  state.error = nil
  state.link = link.new(s, base.format(ip, number), false, state.owner)
  message = state.link:start()
  if message then state.link = nil end
  return message == nil, message
end

--- What a script may send, as a string; other things raise.
function tcp.bytes(data)
  if type(data) ~= 'string' and type(data) ~= 'number' then
    error(('data to send must be a string, not %s'):format(type(data)), 3)
  end
  return tostring(data)
end

tcp.client_properties = {
  connected = function(state) return state.link ~= nil end,
  address = function(state)
    local name = state.link and state.link.socket:name()
    return name and state.dialect.address(base.format(name.host, name.port)) or nil
  end,
  peerAddress = function(state) return state.link and state.dialect.address(state.link.peer) or nil end,
  error = function(state) return state.error end,
}

-- -- Server ---------------------------------------------------------------------------------------

--- A client object around an accepted socket. Its handlers are set, or it is refused, before it
--- receives.
local function welcome(state, s, from)
  local dialect, server = state.dialect, state.server
  if rawget(server, dialect.connection) == nil then return s:close() end
  local client_state = new_state(dialect)
  local client = state.make_client(client_state)
  client_state.client = client
  client_state.link = link.new(s, base.format(from.host, from.port), true, client_state.owner)
  local one = client_state.link
  base.fire(server, dialect.connection, server, client)
  local message = one:start()
  if message then base.log.ERROR('TCPServer: ', message) end
end

--- Accepts until the listener is stopped. When that fails, descriptors have run out, most likely: a
--- pause.
local function accept(state, listener)
  local pause = 0.005
  while state.listener == listener do
    local open, s, from = pcall(listener.accept, listener)
    if open and s then
      pause = 0.005
      welcome(state, s, from)
    elseif open then
      base.log.WARN('TCPServer: ', from)
      fiber.sleep(pause)
      pause = math.min(1, pause * 2)
    elseif state.listener == listener then
      error(s, 0) -- cancelled
    end
  end
end

--- @param make_client fun(state: table): table
--- @param make_server fun(state: table): table
--- @return table server
function tcp.new_server(dialect, make_client, make_server)
  local state = { dialect = dialect, make_client = make_client }
  state.server = make_server(state)
  return state.server
end

--- Listens, and accepts in a fiber. Waits only for the resolver.
--- @return boolean started
--- @return string? message
function tcp.listen(state, host, port)
  local listener, message = base.listen(host, port)
  if not listener then return false, message end
  listener:setsockopt('tcp', 'TCP_NODELAY', true) -- connections inherit it
  state.listener = listener
  local _
  _, message = base.spawn('tcp server', accept, state, listener)
  if message then tcp.stop(state) end
  return message == nil, message
end

--- Closes the listener only.
function tcp.stop(state)
  local listener = state.listener
  state.listener = nil
  if listener then listener:close() end
end

--- The address that is listened on.
--- @return string? text
function tcp.listening(state)
  local name = state.listener and state.listener:name()
  return name and base.format(name.host, name.port) or nil
end

tcp.state = object.state

return tcp
