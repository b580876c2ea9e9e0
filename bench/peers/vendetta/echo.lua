-- echo.lua: sends back what arrives, with Vendetta's class TCPSocket. It prints `port N`.
--
-- Run it with `coir -l coir.compat.vendetta`.
local listening = TCPSocket()
assert(listening:Listen(0))
listening:SetConnectHandler(function()
  local connection = listening:Accept()
  if not connection then return end
  connection:SetReadHandler(function()
    local data, code = connection:Recv()
    if data then
      connection:Send(data)
    elseif code then
      connection:Disconnect()
    end
  end)
end)
print('port ' .. listening:GetSockName():match('%d+$'))
io.stdout:flush()
