--- responder.lua: a DNS server that does what the test wants, good or bad.
---
--- It runs in fibers of the test itself, on one port for UDP and TCP. `handler(query, reply)` is
--- called for each datagram; reply(data) sends one back. `stream(query, connection)` is called for
--- each query over TCP.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. here .. '../lua/?.lua;' .. package.path

local dns = require 'coir.dns'
local fiber = require 'fiber'
local loopback = require 'loopback'
local message = require 'message'
local socket = require 'socket'
local test = require 'test'

local responder = {}
responder.__index = responder

--- A UDP socket and a listening one on the same port.
local function open_both()
  while true do
    local datagrams, port = loopback.datagram()
    local listener = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
    if listener:bind('127.0.0.1', port) then
      assert(listener:listen())
      return datagrams, listener, port
    end
    datagrams:close()
    listener:close()
  end
end

function responder:serve_datagrams()
  while true do
    local data, from = self.datagrams:recvfrom()
    if not data then return end
    local query = message.read(data)
    local key = query.name .. ' ' .. query.type
    self.asked[key] = (self.asked[key] or 0) + 1
    self.total = self.total + 1
    if self.handler then
      self.handler(query, function(answer) self.datagrams:sendto(from.host, from.port, answer) end)
    end
  end
end

function responder:serve_streams()
  while true do
    local connection = self.listener:accept()
    if not connection then return end
    fiber.new(function()
      local size = connection:read(2)
      local data = size and #size == 2 and connection:read((string.unpack('>I2', size)))
      if data and self.stream then self.stream(message.read(data), connection) end
      connection:close()
    end)
  end
end

--- Starts one; the resolver of this program asks it, and nobody else, from now on.
function responder.start(handler, stream)
  local self = { handler = handler, stream = stream, asked = {}, total = 0 }
  setmetatable(self, responder)
  local port
  self.datagrams, self.listener, port = open_both()
  self.address = '127.0.0.1:' .. port
  fiber.new(function() pcall(self.serve_datagrams, self) end)
  fiber.new(function() pcall(self.serve_streams, self) end)
  assert(dns.servers { self.address })
  return self
end

--- Answers every question for an A record with this address, and every other with nothing.
function responder.addresses(ttl, address)
  return function(query, reply)
    local answers = query.type == 'A' and { message.a(query.name, ttl, address) } or {}
    reply(message.answer(query, { answers = answers, authority = { message.soa('test', ttl) } }))
  end
end

function responder:stop()
  self.datagrams:close()
  self.listener:close()
end

-- -- Cases ----------------------------------------------------------------------------------------

local conf_path = os.tmpname()

--- A resolv.conf with these lines, and no hosts file, from now on.
function responder.configure(text)
  local file <close> = assert(io.open(conf_path, 'w'))
  file:write(text)
  dns.files { resolv_conf = conf_path, hosts = '/dev/null' }
end

--- The end of a test file.
function responder.finish()
  os.remove(conf_path)
  test.finish()
end

--- A case with a responder: `body(server)`. A server that is silent is given up after a second.
function responder.case(sentence, handler, body, stream)
  test.case(sentence, function()
    responder.configure('options timeout:1 attempts:1\n')
    local server = responder.start(handler, stream)
    local ok, problem = pcall(body, server)
    server:stop()
    if not ok then error(problem, 0) end
  end)
end

--- The addresses of a name, or the failure.
function responder.hosts(name, timeout, hints)
  local rows, problem, code = socket.getaddrinfo(name, 80, timeout or 10,
    hints or { family = 'AF_INET', type = 'SOCK_STREAM' })
  if not rows then return nil, problem, code end
  local list = {}
  for i, row in ipairs(rows) do list[i] = row.host end
  return list
end

return responder
