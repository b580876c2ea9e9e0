-- Run by vendetta_life_test.lua with few descriptors: more connections than there are numbers for.
local fiber, socket = require 'coir.fiber', require 'coir.socket'

local server = TCPSocket()
assert(server:Listen(0))
local port = tonumber(server:GetSockName():match('%d+$'))

local clients = {}
while true do
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  if not s then break end
  assert(s:sysconnect('127.0.0.1', port))
  clients[#clients + 1] = s
end

local calls, accepted = 0, 0
server:SetConnectHandler(function()
  calls = calls + 1
  local connection = server:Accept()
  if connection then accepted = accepted + 1 end
  if calls == 4 then -- three pauses later there is room again
    for i = 1, #clients, 2 do clients[i]:close() end
  end
  if connection then connection:Disconnect() end
end)
while accepted < #clients do fiber.sleep(0.001) end
print(calls < 2 * #clients and 'all accepted' or 'it spun')
server:Disconnect()
