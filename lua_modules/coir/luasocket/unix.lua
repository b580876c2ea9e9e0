--- unix.lua: `socket.unix`, with streams and datagrams. Calling the module makes a stream.
local errno = require 'coir.errno'
local object = require 'coir.luasocket.object'
local options = require 'coir.luasocket.options'
local stream = require 'coir.luasocket.stream'
local udp = require 'coir.luasocket.udp'

local check = object.check

-- -- What both share ------------------------------------------------------------------------------

--- Calls a method of the socket with a path. After a failure the object is closed, as in LuaSocket.
--- @return string? message
local function with_path(self, path, call)
  local code = errno.EBADF
  if self.s then code = call(path) end
  if not code then return nil end
  self:close()
  return code == errno.ENOBUFS and 'path too long' or object.text(code)
end

--- A path ends at a zero byte, for LuaSocket is written in C.
local function check_path(value)
  return (object.check_string(value, 2):gsub('%z.*', ''))
end

local function bind(self, path)
  return with_path(self, path, function()
    local ok, _, code = self.s:bind('unix/', path)
    return not ok and code or nil
  end)
end

local function connect(self, path)
  return with_path(self, path, function() return stream.connect(self, 'unix/', path) end)
end

local function add_methods(methods, group, master, connectable, Connected)
  function methods.bind(self, path)
    check(self, master)
    path = check_path(path)
    local problem = bind(self, path)
    if problem then return nil, problem end
    return 1.0
  end

  function methods.connect(self, path)
    check(self, connectable)
    path = check_path(path)
    local problem = connect(self, path)
    if problem then return nil, problem end
    setmetatable(self, Connected())
    return 1.0
  end

  methods.setsockname, methods.setpeername = methods.bind, methods.connect

  function methods.getsockname(self)
    check(self, group)
    if not self.s then return nil, object.text(errno.EBADF) end
    local address, _, code = self.s:name()
    if not address then return nil, object.text(code) end
    return address.port
  end
end

local function new(class, kind)
  local s, problem = object.new_socket('AF_UNIX', kind)
  if not s then return nil, problem end
  return kind == 'SOCK_STREAM' and stream.new(class, { s = s }) or object.new(class, { s = s })
end

-- -- Streams --------------------------------------------------------------------------------------

local Master, Client, Server
local streams = {}

object.add_methods(streams, 'unixstream{any}')
stream.add_methods(streams, 'unixstream{client}')
options.add_methods(streams, 'unixstream{any}', { set = 'keepalive reuseaddr linger' })
add_methods(streams, 'unixstream{any}', 'unixstream{master}', 'unixstream{master}',
  function() return Client end)
streams.gettimeout = nil -- LuaSocket's have none

function streams.listen(self, backlog)
  check(self, 'unixstream{master}')
  backlog = object.check_integer(backlog, 2, 32)
  return stream.listen(self, backlog, Server)
end

function streams.accept(self)
  check(self, 'unixstream{server}')
  return stream.accept(self, Client)
end

Master, Client, Server = object.classes('unixstream{any}',
  { 'unixstream{master}', 'unixstream{client}', 'unixstream{server}' }, streams)

-- -- Datagrams ------------------------------------------------------------------------------------

local Unconnected, Connected
local datagrams = {}

object.add_methods(datagrams, 'unixdgram{any}')
options.add_methods(datagrams, 'unixdgram{any}', { set = 'reuseaddr' })
add_methods(datagrams, 'unixdgram{any}', 'unixdgram{unconnected}', 'unixdgram{any}',
  function() return Connected end)

function datagrams.receive(self, size)
  check(self, 'unixdgram{any}')
  size = object.check_integer(size, 2, udp.datagram_size)
  return udp.receive(self, size)
end

--- The sender's path is empty when it has none.
function datagrams.receivefrom(self, size)
  check(self, 'unixdgram{unconnected}')
  size = object.check_integer(size, 2, udp.datagram_size)
  if not self.s then return '', '' end
  local data, from, code = udp.transfer(self, 'readable', 'recvfrom', size, nil)
  if not data then return object.failure(self, code) end
  return data, from and from.port or ''
end

function datagrams.send(self, data)
  check(self, 'unixdgram{connected}')
  data = object.check_string(data, 2)
  return udp.send(self, 'send', data, nil)
end

function datagrams.sendto(self, data, path)
  check(self, 'unixdgram{unconnected}')
  data, path = object.check_string(data, 2), object.check_string(path, 3):gsub('%z.*', '')
  local sent, problem = udp.send(self, 'sendto', 'unix/', path, data, nil)
  if problem == object.text(errno.ENOBUFS) then problem = 'path too long' end
  if not sent then return nil, problem end
  return sent
end

Unconnected, Connected = object.classes('unixdgram{any}',
  { 'unixdgram{unconnected}', 'unixdgram{connected}' },
  datagrams)

-- -- The module -----------------------------------------------------------------------------------

local unix = {}

function unix.stream() return new(Master, 'SOCK_STREAM') end
function unix.dgram() return new(Unconnected, 'SOCK_DGRAM') end

unix.tcp, unix.udp = unix.stream, unix.dgram

return setmetatable(unix, { __call = function(self) return self.stream() end })
