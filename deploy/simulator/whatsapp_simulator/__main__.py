from whatsapp_simulator.cli import app

app(prog_name="whatsapp_simulator")
