"""The saliency techniques, by their names in precompute/catalogue.py: what each answers, its formula, and its limits."""

from app.methods.entries import Method

OF_LAYER = "A: output of the layer, k its channels, (i, j) its positions; S: the explained class's logit."
OF_INPUT = "x: the image as the network gets it, normalised; S: the explained class's logit."

# fmt: off
TECHNIQUES: dict[str, Method] = {
    "cam": Method(
        "CAM", "Which positions of the last feature maps add to the logit of a class, and which take from it?",
        r"M^c_{ij} = \sum_k w^c_k\, A^k_{ij}",
        f"{OF_LAYER} w: the class's row of the linear layer. Signed.",
        "No ReLU, as in the paper. The mean of a map plus the class's bias is its logit, which a test holds.",
        ("Defined only where the head is global average pooling and one linear layer; elsewhere Loupe shows the reason.",
         "Its resolution is that of the last feature maps: what it marks may reach further than what was looked at.",
         "A position's value sums up its whole receptive field."),
        ("zhou",)),
    "grad-cam": Method(
        "Grad-CAM", "Which positions of a layer speak for a class, if each channel counts by its mean gradient?",
        r"M^c = \mathrm{ReLU}\Big(\sum_k \alpha^c_k A^k\Big), \qquad "
        r"\alpha^c_k = \frac{1}{hw}\sum_{ij} \frac{\partial S^c}{\partial A^k_{ij}}",
        f"{OF_LAYER} Not negative.",
        "The logit is differentiated, not the probability. On a head that CAM is defined for it is ReLU(CAM) / (h w).",
        ("What speaks against the class is cut off.",
         "The mean of a gradient forgets where it was: on heads with several linear layers it can light up places that "
         "the network did not use (Draelos and Carin 2020).",
         "It cannot react to layers below the one it is computed at."),
        ("selvaraju", "draelos")),
    "grad-cam++": Method(
        "Grad-CAM++", "The same where an object appears several times or in parts: every position gets a weight.",
        r"w^c_k = \sum_{ij} \alpha^{kc}_{ij}\, \mathrm{ReLU}(g_{ij}), \qquad "
        r"\alpha^{kc}_{ij} = \frac{g_{ij}^2}{2 g_{ij}^2 + \big(\sum_{ab} A^k_{ab}\big) g_{ij}^3}",
        f"{OF_LAYER} g: derivative of S by A; 0 < α ≤ 1/2 where g > 0. Not negative.",
        "The sum runs over A alone, as printed in equation 19; in several well-known implementations it runs over the "
        "product with g³. The factor exp(S) is left out: it would drown every comparison between epochs.",
        ("Needs a layer without negative values: else the denominator can vanish.",
         "Where gradients are alike everywhere, as before global average pooling, the weights differ little from "
         "Grad-CAM's."),
        ("chattopadhay",)),
    "smooth-grad-cam++": Method(
        "SmoothGradCAM++", "Grad-CAM++ where single gradients are noisy: derivatives are averaged over noisy copies.",
        r"\alpha^{kc}_{ij} = \frac{D^{(2)}_{ij}}{2 D^{(2)}_{ij} + \big(\sum_{ab} A^k_{ab}\big) D^{(3)}_{ij}}, \qquad "
        r"w^c_k = \sum_{ij} \alpha^{kc}_{ij}\, \mathrm{ReLU}(D^{(1)}_{ij})",
        f"{OF_LAYER} D: means of g, g², g³ over noisy copies of the image. Not negative.",
        "The activation is that of the clean image, the noise a share of the image's own range, and its draws the same "
        "for every image, epoch and technique. The paper prints the first derivative above the fraction bar; that is the "
        "option numerator = \"paper\".",
        ("Averaging makes a map smoother, not more right.",
         "The map depends on strength and number of the draws.",
         "Needs a layer without negative values."),
        ("omeiza",)),
    "gradient": Method(
        "Gradient", "Which pixels change the logit of a class most, if they change a little?",
        r"M_{ij} = \sum_{channels} \left| \frac{\partial S^c}{\partial x_{ij}} \right|",
        OF_INPUT,
        "The paper shows the largest of the channels; Loupe sums their magnitudes.",
        ("Says where a small change would matter, not what the logit is made of: where the network saturates, important "
         "pixels have no gradient.",
         "Noisy: neighbouring pixels often disagree."),
        ("simonyan2013",)),
    "gradient-x-input": Method(
        "Gradient × input", "How much does each pixel add to the logit, if the network were linear around the image?",
        r"M_{ij} = \sum_{channels} x_{ij}\, \frac{\partial S^c}{\partial x_{ij}}",
        f"{OF_INPUT} Signed.",
        "The network gets normalised images, so a pixel of the data's mean colour counts 0.",
        ("Changes when the input is shifted and the network takes the shift back, although the network is the same "
         "(Kindermans et al. 2017); the Sanity page shows it.",
         "A pixel of value 0 gets 0, whatever it means."),
        ("shrikumar", "kindermans")),
    "integrated-gradients": Method(
        "Integrated gradients", "How much does each pixel add to the logit on the way from a baseline to the image?",
        r"M_{ij} = \sum_{channels} (x_{ij} - x'_{ij}) \int_0^1 "
        r"\frac{\partial S^c\big(x' + t\,(x - x')\big)}{\partial x_{ij}}\, dt",
        f"{OF_INPUT} x': the baseline. Signed; without numerical error the sum over all pixels is S(x) − S(x').",
        "Baseline is the data's mean colour, which is 0 once normalised, unless the recipe says otherwise. The integral "
        "is a sum over 50 points (Gauss-Legendre); how far it misses the completeness above is stored with every map and "
        "flagged from 1%.",
        ("Pixels of the baseline's colour get exactly 0: with a black baseline nothing dark can matter.",
         "Another baseline gives another map, and none is right for all images (Sturmfels et al. 2020).",
         "With a fixed baseline it changes under a shift of the input; with one that moves along it does not."),
        ("sundararajan", "sturmfels", "kindermans")),
    "smooth-grad": Method(
        "SmoothGrad", "The gradient, with the noise of single images averaged away.",
        r"M_{ij} = \sum_{channels}\left| \frac{1}{n} \sum_{d=1}^{n} "
        r"\frac{\partial S^c(x + \varepsilon_d)}{\partial x_{ij}} \right|, \qquad \varepsilon_d \sim N(0, \sigma^2)",
        f"{OF_INPUT} σ: a share of the image's range.",
        "",
        ("In Remove and Retrain on photographs no better than random (Hooker et al. 2019), although it looks better.",
         "Looks better because it is smoother."),
        ("smilkov", "hooker")),
    "smooth-grad-squared": Method(
        "SmoothGrad squared", "As SmoothGrad, with gradients squared before they are averaged.",
        r"M_{ij} = \sum_{channels} \frac{1}{n} \sum_{d=1}^{n} "
        r"\left( \frac{\partial S^c(x + \varepsilon_d)}{\partial x_{ij}} \right)^2",
        f"{OF_INPUT} σ as in SmoothGrad.",
        "",
        ("The sign is lost: what speaks against the class counts as what speaks for it.",
         "Large gradients count for more than they do."),
        ("hooker",)),
    "var-grad": Method(
        "VarGrad", "How much does the gradient of a pixel vary under noise?",
        r"M_{ij} = \sum_{channels} \mathrm{Var}_d\left[\frac{\partial S^c(x + \varepsilon_d)}{\partial x_{ij}}\right]",
        f"{OF_INPUT} σ as in SmoothGrad.",
        "It is SmoothGrad squared less the square of the mean gradient.",
        ("A pixel with a large and steady gradient gets little.",),
        ("adebayo-local", "hooker")),
    "guided-backprop": Method(
        "Guided backpropagation", "Which pixels reach the logit by paths that are positive all the way back?",
        r"R^{l}_i = \mathbb{1}[a^{l}_i > 0]\; \mathbb{1}[R^{l+1}_i > 0]\; R^{l+1}_i \quad \text{at every ReLU}",
        "a: what goes into a ReLU; R: what comes back through the layers.",
        "",
        ("Needs ReLU modules.",
         "Close to an edge detector: it hardly changes when the trained weights are replaced by random ones (Adebayo et "
         "al. 2018), because it recovers parts of the image (Nie et al. 2018). Kept so that a check has something to "
         "fail."),
        ("springenberg", "adebayo", "nie")),
    "occlusion": Method(
        "Occlusion", "How far does the logit fall when a patch is covered?",
        r"M_{ij} = \frac{1}{|P_{ij}|} \sum_{p \in P_{ij}} \big( S^c(x) - S^c(x \text{ without } p) \big)",
        "P: the patches that cover a pixel. Signed.",
        "",
        ("A covered image is none that the network was trained on, so part of the fall is surprise.",
         "Finds nothing that two patches say alike: each is covered while the other stays.",
         "The size of the patch is the resolution, and one pass a patch the cost."),
        ("zeiler",)),
}
# fmt: on
