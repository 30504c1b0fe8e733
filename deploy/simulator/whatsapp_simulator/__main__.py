from whatsapp_simulator.cli import app

app(prog_name="attache simulate")
