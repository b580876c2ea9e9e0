--- coir: the modules under one name, and what concerns the program as a whole.
local coir = {
  errno = require 'coir.errno',
  fiber = require 'coir.fiber',
  socket = require 'coir.socket',
}

return coir
