-- echo.lua: sends back what arrives, one coroutine for each connection. It prints `port N`.

local cqueues = require 'cqueues'
local socket = require 'cqueues.socket'

local loop = cqueues.new()

local function serve(client)
  client:setmode('b', 'bn') -- bytes as they are, sent at once
  for data in function() return client:read(-65536) end do
    if not client:write(data) then break end
  end
  client:close()
end

local server = assert(socket.listen {
  host = '127.0.0.1', port = 0, reuseaddr = true, nodelay = true,
})
assert(server:listen())
print('port ' .. select(3, server:localname()))
io.stdout:flush()

loop:wrap(function()
  for client in server:clients { nodelay = true } do loop:wrap(serve, client) end
end)
assert(loop:loop())
