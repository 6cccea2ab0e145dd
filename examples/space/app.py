"""A Hugging Face Space (SDK: Gradio) that shows a model of pylon_zoo: put this file and requirements.txt into it.

The model is a bundled one; of the Hub it is `pz.create_model("pylon_resnet50", pretrained="hf-hub:ORG/NAME")`.
"""

import os

import pylon_zoo as pz
from pylon_zoo.app.serving import serve
from pylon_zoo.app.studio import Studio
from pylon_zoo.data.phantom import PhantomCxr

MODEL = "pylon_resnet18.phantom_cxr"

if __name__ == "__main__":
    studio = Studio({MODEL: pz.create_model(MODEL)}, PhantomCxr("test", size=512))
    # A Space tells the address to listen on.
    host, port = os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0"), os.environ.get("GRADIO_SERVER_PORT", "7860")
    serve(studio, host=host, port=int(port), title="pylon_zoo: what a model finds, and where")
